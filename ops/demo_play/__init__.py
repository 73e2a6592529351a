"""The demonstration: a real installation, a mail catcher, an SMS provider, and the people who use them."""
