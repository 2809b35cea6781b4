package session

import (
	"slices"
	"testing"

	"fastftps/codec"
)

// coverage is which codes have answered which commands.
type coverage map[codec.Verb]map[codec.Code]bool

func (seen coverage) add(v codec.Verb, c codec.Code) {
	if seen[v] == nil {
		seen[v] = make(map[codec.Code]bool)
	}
	seen[v][c] = true
}

// check: every code that a command may answer occurs in a transcript, and no
// other does.
func (seen coverage) check(t *testing.T) {
	t.Helper()
	for i := range table().rows {
		verb := table().rows[i].verb
		want, ok := replyCodes[verb.String()]
		if !ok {
			t.Errorf("%v: no row in replyCodes", verb)
		}
		for _, code := range want {
			if !seen[verb][code] {
				t.Errorf("%v: no transcript has the reply %d", verb, code)
			}
		}
		for code := range seen[verb] {
			if ok && !slices.Contains(want, code) {
				t.Errorf("%v: reply %d is not among its codes", verb, code)
			}
		}
	}
}

// replyCodes are the completion replies of each command, from the RFC that
// defines it and RFC 959 section 5.4.
var replyCodes = map[string][]codec.Code{
	"USER": {331, 501, 530},
	"PASS": {230, 421, 503, 530},
	"ACCT": {202, 501, 530},
	"REIN": {220, 501, 503},
	"QUIT": {221},

	"AUTH": {234, 501, 503, 504, 534},
	"PBSZ": {200, 501, 503},
	"PROT": {200, 501, 503, 504, 534, 536},
	"CCC":  {200, 501, 503, 533, 534},
	"ADAT": {503},
	"MIC":  {503, 537},
	"CONF": {503, 537},
	"ENC":  {503, 537},

	"TYPE": {200, 501, 504, 530},
	"STRU": {200, 501, 504, 530},
	"MODE": {200, 501, 504, 530},
	"PASV": {227, 425, 500, 502, 530},
	"EPSV": {200, 229, 425, 501, 522, 530},
	"PORT": {200, 500, 501, 504, 530},
	"EPRT": {200, 500, 501, 504, 522, 530},
	"LPRT": {500, 502, 530},
	"LPSV": {500, 502, 530},
	"ALLO": {202, 501, 530},
	"REST": {350, 501, 530},
	"RANG": {350, 501, 530, 551},
	"OPTS": {200, 501},
	"LANG": {200, 501, 504},
	"HOST": {220, 501, 503, 504},
	"CLNT": {200},
	"CSID": {200, 501, 502},

	"SYST": {215},
	"STAT": {211, 212, 213, 450, 530, 550},
	"HELP": {214, 501},
	"NOOP": {200},
	"FEAT": {211, 501},
	"SMNT": {502, 530},
	"SITE": {200, 214, 500, 501, 504, 530, 550},

	"CWD":  {250, 501, 530, 550},
	"XCWD": {250, 530},
	"CDUP": {250, 530},
	"XCUP": {250, 530},
	"PWD":  {257, 530},
	"XPWD": {257, 530},
	"MKD":  {257, 501, 530, 550},
	"XMKD": {257, 530, 550},
	"RMD":  {250, 501, 530, 550},
	"XRMD": {250, 530, 550},
	"DELE": {250, 501, 530, 550},
	"RNFR": {350, 501, 530, 550},
	"RNTO": {250, 501, 503, 530, 553},
	"SIZE": {213, 501, 530, 550},
	"MDTM": {213, 501, 530, 550},
	"MFMT": {213, 501, 530, 550},
	"MFF":  {213, 501, 504, 530, 550},
	"MLST": {250, 530, 550},
	"AVBL": {213, 530, 550},

	"RETR": {226, 425, 426, 450, 451, 501, 521, 522, 530, 550, 551, 554, 555},
	"STOR": {226, 425, 426, 450, 451, 452, 501, 521, 522, 530, 552, 553, 554, 555},
	"STOU": {226, 425, 426, 450, 451, 452, 521, 522, 530, 552, 553, 554},
	"APPE": {226, 425, 426, 450, 451, 452, 501, 521, 522, 530, 552, 553, 554, 555},
	"LIST": {226, 425, 426, 450, 451, 521, 522, 530, 550},
	"NLST": {226, 425, 426, 450, 451, 521, 522, 530, 550},
	"MLSD": {226, 425, 426, 450, 451, 501, 521, 522, 530, 550},
	"ABOR": {226, 530},

	"HASH":    {213, 501, 530, 550, 553, 554, 556},
	"XCRC":    {213, 501, 530, 550, 554, 556},
	"XMD5":    {213, 501, 530, 550, 554},
	"XSHA":    {213, 501, 530, 550, 554},
	"XSHA1":   {213, 501, 530, 550, 554},
	"XSHA256": {213, 501, 530, 550, 554},
	"XSHA512": {213, 501, 530, 550, 554},
}
