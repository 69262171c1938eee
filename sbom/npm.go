package sbom

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"path"
	"strings"
)

// oldLock is a package in npm's lock file of version 1, and those installed below it.
type oldLock struct {
	Version      string             `json:"version"`
	Integrity    string             `json:"integrity"`
	Dev          bool               `json:"dev"`
	Dependencies map[string]oldLock `json:"dependencies"`
}

func (l oldLock) add(to *finding) {
	for name, p := range l.Dependencies {
		if p.Version != "" && !p.Dev {
			to.Parts = append(to.Parts, part{Type: "npm", Name: name, Version: p.Version, Hash: integrity(p.Integrity)})
		}
		p.add(to)
	}
}

// readPackageLock reads npm's lock file.
func readPackageLock(f *file, to *finding) error {
	text, err := f.bytes(maxText)
	if err != nil {
		return err
	}
	var lock struct {
		oldLock
		Packages map[string]struct {
			Name      string `json:"name"`
			Version   string `json:"version"`
			Integrity string `json:"integrity"`
			Link      bool   `json:"link"`
			Dev       bool   `json:"dev"`
		} `json:"packages"`
	}
	if err := json.Unmarshal(text, &lock); err != nil {
		return err
	}
	if lock.Packages == nil {
		lock.add(to)
	}
	for where, p := range lock.Packages {
		_, name, installed := cutLast(where, "node_modules/")
		if !installed || p.Link || p.Dev || p.Version == "" {
			continue // the application itself, a directory of it, or what it is developed with
		}
		if p.Name != "" {
			name = p.Name // installed under another
		}
		to.Parts = append(to.Parts, part{Type: "npm", Name: name, Version: p.Version, Hash: integrity(p.Integrity)})
	}
	return nil
}

// integrity returns what a Subresource Integrity says, as a part has it; "" unless it is one SHA-512.
func integrity(sri string) string {
	encoded, ok := strings.CutPrefix(sri, "sha512-")
	sum, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(sum) != 64 {
		return ""
	}
	return "SHA-512 " + hex.EncodeToString(sum)
}

// inNodeModules reports whether a directory, with a slash after it, is that of an installed package.
func inNodeModules(dir string) bool {
	dir = path.Dir(strings.TrimSuffix(dir, "/"))
	if strings.HasPrefix(path.Base(dir), "@") {
		dir = path.Dir(dir)
	}
	return path.Base(dir) == "node_modules"
}

// readPackageJSON reads what an installed package says it is.
func readPackageJSON(f *file, to *finding) error {
	text, err := f.bytes(maxText)
	if err != nil {
		return err
	}
	var p struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	}
	if err := json.Unmarshal(text, &p); err != nil {
		return err
	}
	if p.Name != "" && p.Version != "" {
		to.Parts = append(to.Parts, part{Type: "npm", Name: p.Name, Version: p.Version})
	}
	return nil
}

// cutLast is strings.Cut round the last sep.
func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
