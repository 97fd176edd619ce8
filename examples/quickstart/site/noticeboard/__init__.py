"""A notice board in Django: notices in SQLite, anyone may pin one, the admin tidies up."""
