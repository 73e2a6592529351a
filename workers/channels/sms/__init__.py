"""Text messages: one module for each provider; `parse_sms_url` says which one an installation uses."""
