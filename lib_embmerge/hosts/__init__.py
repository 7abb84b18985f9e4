"""The hosts: one adapter for each WebUI, the command line's, and a fake that tests and examples use."""
