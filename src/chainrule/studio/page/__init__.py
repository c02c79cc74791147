"""The page as files: the modules and texts of web/, joined into one script, or into one file that works offline."""
