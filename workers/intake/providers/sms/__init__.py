"""The webhooks of SMS providers, one module each."""
