"""Files as people have them -> the text of a document, and what a person must look at."""
