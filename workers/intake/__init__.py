"""Mail and SMS as they really arrive: bytes in, facts out. Nothing here touches the database."""
