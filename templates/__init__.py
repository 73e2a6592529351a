"""Everything a person reads: mails, SMS, pages, and the words for codes."""
