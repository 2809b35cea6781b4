package session

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"

	"fastftps/codec"
	"fastftps/storage"
)

// replyFor turns a handler's error into the reply of its command. It is the
// only place where that is decided: no other text of an error reaches a
// client. What is not the client's mistake is logged as ours.
func (s *Session) replyFor(row *command, err error) reply {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return reply{row.denial(), "No such file or directory"}
	case errors.Is(err, storage.ErrName):
		return reply{row.denial(), "File name not allowed"}
	case errors.Is(err, fs.ErrExist):
		return reply{row.denial(), "File exists"}
	case errors.Is(err, fs.ErrPermission), errors.Is(err, storage.ErrReadOnly):
		return reply{row.denial(), "Permission denied"}
	case errors.Is(err, storage.ErrEscape):
		s.log().Info("path leaves the root", slog.String("cmd", row.verb.String()), slog.Any("err", err))
		return reply{row.denial(), "Permission denied"}
	case errors.Is(err, storage.ErrIsDir):
		return reply{row.denial(), "Is a directory"}
	case errors.Is(err, storage.ErrNotDir):
		return reply{row.denial(), "Not a directory"}
	case errors.Is(err, storage.ErrNotEmpty):
		return reply{row.denial(), "Directory not empty"}
	case errors.Is(err, storage.ErrNotRegular):
		return reply{row.denial(), "Not a regular file"}
	case errors.Is(err, storage.ErrOffset):
		return reply{codec.C554BadRestart, "Restart point beyond the end of the file"}
	case errors.Is(err, storage.ErrNoSpace):
		return reply{codec.C452NoSpace, "No space left"}
	case errors.Is(err, storage.ErrQuota):
		return reply{codec.C552Quota, "Quota exceeded"}
	case errors.Is(err, storage.ErrBusy):
		return reply{codec.C450Busy, "File busy, try again"}
	case errors.Is(err, storage.ErrUnsupported):
		return reply{codec.C504BadParameter, "Not implemented by this storage"}
	case errors.Is(err, context.Canceled): // by Cancel: hardly anybody reads this
		return reply{codec.C451LocalError, "Cancelled"}
	}
	s.log().Error("command failed", slog.String("cmd", row.verb.String()), slog.Any("err", err))
	return reply{codec.C451LocalError, "Local error"}
}
