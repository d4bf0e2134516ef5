"""The spine that the stages share: errors, manifests, artefact folders, text. Imports no stage and nothing heavy."""
