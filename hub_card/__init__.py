"""gonerd.hub_card: card templates (data)."""
