"""What all topics share: components, inputs, downloads, HTML; and for the browser stage, maps, words and files."""
