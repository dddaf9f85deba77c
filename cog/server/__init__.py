"""Names that old models import from here."""
