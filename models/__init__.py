"""What is true and lasting: tables, their sessions, their migrations, and the crypto that protects them."""
