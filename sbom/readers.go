package sbom

import (
	"path"
	"strings"
)

// reader adds to what was found what a file says. Its errors are notes about the file, but for Corrupt, which is about the layer.
type reader func(f *file, to *finding) error

// maxText bounds what is read of a file of text, bytes. The biggest lock files have a few megabytes.
const maxText = 64 << 20

// readerOf says by its path how a file is read.
func readerOf(p string) reader {
	dir, base := path.Split(p)
	switch {
	case p == "var/lib/dpkg/status":
		return readDpkg
	case dir == "var/lib/dpkg/status.d/" && !strings.HasSuffix(base, ".md5sums"):
		return readDpkg
	case p == "etc/os-release" || p == "usr/lib/os-release":
		return readRelease
	case base == "package-lock.json" && !strings.Contains(dir, "node_modules/"):
		return readPackageLock
	case base == "package.json" && inNodeModules(dir):
		return readPackageJSON
	case base == "METADATA" && strings.HasSuffix(dir, ".dist-info/"), base == "PKG-INFO" && strings.HasSuffix(dir, ".egg-info/"):
		return readPythonMetadata
	case strings.HasSuffix(base, ".egg-info"):
		return readPythonMetadata
	case strings.HasPrefix(base, "requirements") && strings.HasSuffix(base, ".txt"):
		return readRequirements
	case base == "poetry.lock" || base == "uv.lock":
		return readPoetryLock
	case base == "Pipfile.lock":
		return readPipfileLock
	}
	return readProgram
}
