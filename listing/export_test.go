package listing

// MaxLine is how long a line can be without its names.
const MaxLine = maxLine
