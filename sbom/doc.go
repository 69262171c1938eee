// Package sbom lists what is in an image: Debian packages, the modules of Go programs, npm and pip packages, as a CycloneDX document.
//
// It reads layers where they lie, and mounts none. What it finds in a layer it remembers by the layer's digest, so that an image of
// which one layer is new costs looking into that one.
package sbom
