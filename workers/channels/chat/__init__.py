"""Posts to a team's chat group through Apprise, which knows how each chat system is spoken to."""
