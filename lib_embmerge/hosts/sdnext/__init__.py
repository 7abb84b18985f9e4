"""SD.Next: its adapter, its prompts, and the tokens that it lends to our vectors."""
