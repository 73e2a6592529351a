"""What protects customers from us: rotation of master keys, and erasure with its certificate."""
