//! Readers and writers of histories, one format per file.
