"""Arrays → pictures. No words in pictures, and the colour scale is always an argument."""
