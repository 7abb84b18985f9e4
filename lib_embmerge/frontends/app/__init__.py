"""The app in the place of a WebUI: its server, and what the page asks of it."""
