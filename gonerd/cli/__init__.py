"""The command line: one thin file a room, which parses, connects rooms and prints."""
