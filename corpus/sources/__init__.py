"""Sources of documents: files, data sets of the Hugging Face hub and MongoDB collections."""
