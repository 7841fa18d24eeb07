"""Files of others: texts, recipes, captioned and labelled pictures, word vectors, models.

Imports `searchengine` alone. Begin with the module that is called like the format.
"""
