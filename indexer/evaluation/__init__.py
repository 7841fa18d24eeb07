"""Measurements of models and libraries."""
