"""One small module per provider: proves where a request comes from and reads what it says."""
