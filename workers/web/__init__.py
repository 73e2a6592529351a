"""The web edge: webhooks, the REST API, the pages that links lead to, and the health of it all."""
