package sbom

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/package-url/packageurl-go"

	"github.com/slipway-sh/slipway"
)

// maxPaths is how many of the files that tell of a component are named.
const maxPaths = 5

// document writes what is in an image.
func document(image slipway.Image, seen contents) ([]byte, error) {
	bom := cdx.NewBOM()
	bom.SpecVersion = cdx.SpecVersion1_6
	bom.SerialNumber = serial(image.Digest)
	whole := cdx.Component{
		BOMRef: string(image.Digest), Type: cdx.ComponentTypeOS, Name: image.Application, Version: string(image.Digest),
		Hashes: &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: image.Digest.Hex()}},
	}
	bom.Metadata = &cdx.Metadata{
		Tools:     &cdx.ToolsChoice{Components: &[]cdx.Component{{Type: cdx.ComponentTypeApplication, Name: "slipway", Version: "sbom-" + version}}},
		Component: &whole,
	}
	var notes []cdx.Property
	for _, p := range slices.Sorted(maps.Keys(seen.notes)) {
		notes = append(notes, cdx.Property{Name: "slipway:unread", Value: p + ": " + seen.notes[p]})
	}
	if notes != nil {
		bom.Metadata.Properties = &notes
	}
	components := []cdx.Component{}
	distro := ""
	if s := seen.system; s != nil {
		distro = strings.Trim(s.ID+"-"+s.Version, "-")
		components = append(components, cdx.Component{BOMRef: "os:" + distro, Type: cdx.ComponentTypeOS, Name: s.ID, Version: s.Version, Description: s.Name})
	}
	for _, c := range seen.components {
		components = append(components, c.cyclone(cmp.Or(seen.systemID(), "debian"), distro))
	}
	refs := make([]string, len(components))
	for i, c := range components {
		refs[i] = c.BOMRef
	}
	bom.Components = &components
	bom.Dependencies = &[]cdx.Dependency{{Ref: whole.BOMRef, Dependencies: &refs}}
	var out bytes.Buffer
	if err := cdx.NewBOMEncoder(&out, cdx.BOMFileFormatJSON).SetPretty(true).SetEscapeHTML(false).Encode(bom); err != nil {
		return nil, fmt.Errorf("write an SBOM: %w", err)
	}
	return out.Bytes(), nil
}

func (c contents) systemID() string {
	if c.system == nil {
		return ""
	}
	return c.system.ID
}

// cyclone returns the component as CycloneDX has it. vendor is who made the Debian packages.
func (p placed) cyclone(vendor, distro string) cdx.Component {
	namespace, name := "", p.Name
	var qualifiers packageurl.Qualifiers
	switch p.Type {
	case "deb":
		namespace = vendor
		for _, q := range [][2]string{{"arch", p.Architecture}, {"distro", distro}} {
			if q[1] != "" {
				qualifiers = append(qualifiers, packageurl.Qualifier{Key: q[0], Value: q[1]})
			}
		}
	case "golang", "npm": // @scope/name, example.com/group/name
		namespace, name = path.Split(p.Name)
		namespace = strings.TrimSuffix(namespace, "/")
	}
	purl := packageurl.NewPackageURL(p.Type, namespace, name, p.Version, qualifiers, "").ToString()
	c := cdx.Component{BOMRef: purl, PackageURL: purl, Type: cdx.ComponentTypeLibrary, Name: p.Name, Version: p.Version}
	if p.Main {
		c.Type, c.BOMRef = cdx.ComponentTypeApplication, purl+"#program"
	}
	var properties []cdx.Property
	if p.Source != "" {
		properties = append(properties, cdx.Property{Name: "slipway:source", Value: p.Source})
	}
	for _, at := range p.paths[:min(len(p.paths), maxPaths)] {
		properties = append(properties, cdx.Property{Name: "slipway:path", Value: at})
	}
	c.Properties = &properties
	return c
}

// serial returns a UUID of version 8, RFC 9562, made of the image's digest.
func serial(d slipway.Digest) string {
	u := sha256.Sum256([]byte("sbom " + d))
	u[6], u[8] = u[6]&0x0f|0x80, u[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", u[0:4], u[4:6], u[6:8], u[8:10], u[10:16])
}
