"""The hosts: an adapter for each WebUI, over what they share: encoders, the prompt pipeline, the callbacks."""
