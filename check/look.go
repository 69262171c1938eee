package check

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/agent"
)

const (
	// lookTimeout is how long it may take to look at files.
	lookTimeout = time.Minute
	// maxKept is how much of a file is kept to be searched: a package database is some megabytes.
	maxKept = 32 << 20
)

// root is who sees everything in a machine.
const root = "0"

// seen is what there is at a path of a machine.
type seen struct {
	header  *tar.Header
	content []byte // of a file, if it was asked for; at most maxKept bytes
	sum     string // as content: the SHA-256 of all of it, hexadecimal
	fault   string // why it could not be looked at
}

// looks reports whether test only looks at files.
func looks(test slipway.Test) bool {
	return test.File != nil || test.Package != nil || test.User != nil
}

// look answers tests that only look at files: slipway-agent, which is in every machine, tells what is there, so that it makes no
// difference what the image has.
func (r Runner) look(ctx context.Context, instance slipway.Instance, tests []slipway.Test) []slipway.TestResult {
	start := time.Now()
	there, err := r.see(ctx, instance, wanted(tests))
	took := time.Since(start) / time.Duration(len(tests))
	results := make([]slipway.TestResult, len(tests))
	for i, test := range tests {
		found := err
		switch {
		case found != nil:
		case test.File != nil:
			found = fileProblem(*test.File, there[test.File.Path])
		case test.Package != nil:
			found = packageProblem(*test.Package, there)
		case test.User != nil:
			found = userProblem(*test.User, there)
		}
		results[i] = resultOf(test, found, took)
	}
	return results
}

// wanted returns what must be looked at for tests, each path once.
func wanted(tests []slipway.Test) []agent.Look {
	var looks []agent.Look
	index := map[string]int{}
	want := func(path string, content bool) {
		if i, ok := index[path]; ok {
			looks[i].Content = looks[i].Content || content
			return
		}
		index[path] = len(looks)
		looks = append(looks, agent.Look{Path: path, Content: content})
	}
	for _, test := range tests {
		switch {
		case test.File != nil:
			want(test.File.Path, test.File.Contains != "" || test.File.SHA256 != "")
		case test.Package != nil:
			want(dpkgStatus, true)
		case test.User != nil:
			want(passwdFile, true)
			want(groupFile, true)
		}
	}
	return looks
}

// see looks at files of the machine. What is not there is not in the answer.
func (r Runner) see(ctx context.Context, instance slipway.Instance, looks []agent.Look) (map[string]*seen, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, lookTimeout, fmt.Errorf("not done within %s", lookTimeout))
	defer cancel()
	question, err := json.Marshal(looks)
	if err != nil {
		return nil, err
	}
	answer, out := io.Pipe()
	var problem strings.Builder
	done := make(chan error, 1)
	go func() {
		result, err := r.Provider.Exec(ctx, instance.ID, slipway.Exec{
			Command: []string{agent.Path, "look"}, User: root, Directory: "/", Stdin: bytes.NewReader(question), Stdout: out, Stderr: &problem,
		})
		if err == nil && result.ExitCode != 0 {
			err = fmt.Errorf("cannot look into the machine: %s", strings.TrimSpace(problem.String()))
		}
		out.CloseWithError(err)
		done <- err
	}()
	there, err := readSeen(answer, looks)
	answer.CloseWithError(err) // so that nobody goes on writing
	if failed := <-done; failed != nil {
		return nil, reason(ctx, failed)
	}
	return there, err
}

func readSeen(r io.Reader, looks []agent.Look) (map[string]*seen, error) {
	content := map[string]bool{}
	for _, l := range looks {
		content[l.Path] = l.Content
	}
	there := map[string]*seen{}
	archive := tar.NewReader(r)
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			_, err = io.Copy(io.Discard, r) // the archive's padding: who writes it must not be left hanging
			return there, err
		} else if err != nil {
			return nil, fmt.Errorf("cannot understand what the machine tells of its files: %w", err)
		}
		s := &seen{header: h, fault: h.PAXRecords[agent.FaultRecord]}
		there[h.Name] = s
		if h.Typeflag != tar.TypeReg || !content[h.Name] || s.fault != "" {
			continue
		}
		sum := sha256.New()
		if s.content, err = io.ReadAll(io.TeeReader(io.LimitReader(archive, maxKept), sum)); err == nil {
			_, err = io.Copy(sum, archive)
		}
		if err != nil {
			return nil, fmt.Errorf("cannot read %s in the machine: %w", h.Name, err)
		}
		s.sum = hex.EncodeToString(sum.Sum(nil))
	}
}

// text returns the content of a file that must be there.
func text(there map[string]*seen, path string) ([]byte, error) {
	switch s := there[path]; {
	case s == nil:
		return nil, fmt.Errorf("the machine has no %s", path)
	case s.fault != "":
		return nil, fmt.Errorf("cannot look at %s: %s", path, s.fault)
	case s.header.Typeflag != tar.TypeReg:
		return nil, fmt.Errorf("%s is no file", path)
	default:
		return s.content, nil
	}
}
