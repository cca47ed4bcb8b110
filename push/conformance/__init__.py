"""The conformance kit: plays LandReady towards an enterprise's system and says which rules of docs/integrators.md it keeps.

It signs, sends, judges answers and pages the journal with the product's own code; only tables and the database are missing.
"""
