"""What is said of results, one package a language: functions from a result's numbers and codes to sentences."""
