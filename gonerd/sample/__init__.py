"""A small site written for this project, its gold, a document generator, and the quickstart over them."""
