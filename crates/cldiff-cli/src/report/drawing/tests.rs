//! Files that others read: they are read again here.
