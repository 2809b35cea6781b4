package metrics

import "slices"

// Verb is the label of a command: an index into the known verbs. Ask VerbOf
// once a table row, not once a command.
type Verb uint8

// VerbOther stands for every verb that the server does not know.
const VerbOther Verb = 0

// NumVerbs is the number of verb labels.
const NumVerbs = Verb(len(verbs))

// verbs are sorted but for the first, VerbOther.
var verbs = [...]string{
	"other",
	"ABOR", "ACCT", "ADAT", "ALLO", "APPE", "AUTH", "AVBL", "CCC", "CDUP", "CLNT", "COMB", "CONF", "CPSV",
	"CSID", "CWD", "DELE", "DSIZ", "ENC", "EPRT", "EPSV", "ESTA", "ESTP", "FEAT", "HASH", "HELP", "HOST",
	"LANG", "LIST", "LPRT", "LPSV", "MD5", "MDTM", "MFCT", "MFF", "MFMT", "MIC", "MKD", "MLSD", "MLST",
	"MMD5", "MODE", "NLST", "NOOP", "OPTS", "PASS", "PASV", "PBSZ", "PORT", "PRET", "PROT", "PWD", "QUIT",
	"RANG", "REIN", "REST", "RETR", "RMD", "RMDA", "RNFR", "RNTO", "SITE", "SIZE", "SMNT", "SSCN", "STAT",
	"STOR", "STOU", "STRU", "SYST", "THMB", "TYPE", "USER", "XCRC", "XCUP", "XCWD", "XMD5", "XMKD", "XPWD",
	"XQUOTA", "XRMD", "XSHA", "XSHA1", "XSHA256", "XSHA512",
}

// VerbOf returns the label of an upper-case verb, VerbOther for an unknown one.
func VerbOf(name string) Verb {
	if i, ok := slices.BinarySearch(verbs[1:], name); ok {
		return Verb(i + 1)
	}
	return VerbOther
}

// String returns the verb as written in the label.
func (v Verb) String() string { return verbs[v] }
