"""What the audit says: criteria, claims, and what workflows need."""
