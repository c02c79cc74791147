"""Whether later rows look like those of training, by statistics of the columns that the file keeps."""
