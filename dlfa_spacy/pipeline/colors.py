"""Colors of `displacy.render(doc, style="ent")` for labels that spaCy has none for."""

# spaCy knows ORG and LOC; a PER is what it calls a PERSON.
ENTITY_COLORS = {"PER": "#aa9cfc"}
