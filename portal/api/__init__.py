"""The JSON API: the same services as the pages, for apps and for the company's other systems."""
