"""The webhooks of mail providers, one module each: incoming mail, and what became of sent mail."""
