"""A small enterprise's system: it receives webhooks, pulls, answers by rule, acknowledges and proves.

Made to be read as example code beside docs/integrators.md, and to try a connection with. It knows that document and nothing
of LandReady's code. The marks W1 to W7 and C1 to C8 are the document's.
"""
