package sbom

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	cyclonedx "github.com/CycloneDX/cyclonedx-go"
	"github.com/package-url/packageurl-go"

	"github.com/slipway-sh/slipway"
)

const (
	toolName     = "slipway"
	propertyNote = "slipway:note" // path and why the file could not be read
)

// document makes the CycloneDX document of what was found. It has no time and no random number: its serial number is the image's digest.
func document(image slipway.Image, found []finding, debs map[lockedDeb]slipway.Digest) ([]byte, error) {
	components := map[string]*cyclonedx.Component{}
	system := release{ID: "debian"}
	for _, f := range found { // of two, etc's comes first
		if f.Release != nil {
			system = *f.Release
			components[""] = system.component("/" + f.Path)
			break
		}
	}
	notes := []cyclonedx.Property{}
	for _, f := range found {
		if f.Note != "" {
			notes = append(notes, cyclonedx.Property{Name: propertyNote, Value: "/" + f.Path + ": " + f.Note})
		}
		for _, p := range f.Parts {
			uri := p.purl(system)
			c := components[uri]
			if c == nil {
				c = p.component(uri)
				components[uri] = c
			}
			hash := p.Hash
			if d := debs[lockedDeb{p.Name, p.Version, p.Architecture}]; d != "" && p.Type == "deb" {
				hash = "SHA-256 " + d.Hex()
			}
			if algorithm, sum, ok := strings.Cut(hash, " "); ok && c.Hashes == nil {
				c.Hashes = &[]cyclonedx.Hash{{Algorithm: cyclonedx.HashAlgorithm(algorithm), Value: sum}}
			}
			at := c.Evidence.Occurrences
			if n := len(*at); n == 0 || (*at)[n-1].Location != "/"+f.Path {
				*at = append(*at, cyclonedx.EvidenceOccurrence{Location: "/" + f.Path})
			}
		}
	}
	list, refs := []cyclonedx.Component{}, []string{}
	for _, uri := range slices.Sorted(maps.Keys(components)) {
		list, refs = append(list, *components[uri]), append(refs, components[uri].BOMRef)
	}
	bom := cyclonedx.NewBOM()
	bom.SerialNumber = serial(image.Digest)
	bom.Metadata = &cyclonedx.Metadata{
		Tools: &cyclonedx.ToolsChoice{Components: &[]cyclonedx.Component{{
			Type: cyclonedx.ComponentTypeApplication, Name: toolName, Version: format,
		}}},
		Component: &cyclonedx.Component{
			BOMRef: string(image.Digest), Type: cyclonedx.ComponentTypeContainer, Name: cmp.Or(image.Application, "image"), Version: string(image.Digest),
			PackageURL: packageurl.NewPackageURL(packageurl.TypeOCI, "", image.Application, string(image.Digest), nil, "").ToString(),
			Hashes:     &[]cyclonedx.Hash{{Algorithm: cyclonedx.HashAlgoSHA256, Value: image.Digest.Hex()}},
		},
	}
	if len(notes) > 0 {
		bom.Metadata.Properties = &notes
	}
	bom.Components = &list
	bom.Dependencies = &[]cyclonedx.Dependency{{Ref: string(image.Digest), Dependencies: &refs}}
	var text bytes.Buffer
	if err := cyclonedx.NewBOMEncoder(&text, cyclonedx.BOMFileFormatJSON).SetEscapeHTML(false).EncodeVersion(bom, cyclonedx.SpecVersion1_6); err != nil {
		return nil, fmt.Errorf("write a bill of materials: %w", err)
	}
	return text.Bytes(), nil
}

// purl names a part as the world does.
func (p part) purl(system release) string {
	namespace, name := "", p.Name
	var with packageurl.Qualifiers
	switch p.Type {
	case "deb":
		namespace = system.ID
		add := func(key, value string) {
			if value != "" {
				with = append(with, packageurl.Qualifier{Key: key, Value: value})
			}
		}
		add("arch", p.Architecture)
		if system.Version != "" {
			add("distro", system.ID+"-"+system.Version)
		}
		add("upstream", p.Source)
	case "golang", "npm":
		if before, after, ok := cutLast(p.Name, "/"); ok {
			namespace, name = before, after
		}
	}
	return packageurl.NewPackageURL(p.Type, namespace, name, p.Version, with, "").ToString()
}

// component is the system itself, which scanners look for before they look at its packages.
func (r release) component(path string) *cyclonedx.Component {
	return &cyclonedx.Component{
		BOMRef: strings.TrimSuffix("os:"+r.ID+"-"+r.Version, "-"), Type: cyclonedx.ComponentTypeOS, Name: r.ID, Version: r.Version,
		Evidence: &cyclonedx.Evidence{Occurrences: &[]cyclonedx.EvidenceOccurrence{{Location: path}}},
	}
}

func (p part) component(uri string) *cyclonedx.Component {
	return &cyclonedx.Component{
		BOMRef: uri, Type: cyclonedx.ComponentTypeLibrary, Name: p.Name, Version: p.Version, PackageURL: uri,
		Evidence: &cyclonedx.Evidence{Occurrences: &[]cyclonedx.EvidenceOccurrence{}},
	}
}

// serial makes a UUID of a digest, of the version that says that its bits are anybody's own affair.
func serial(d slipway.Digest) string {
	h := []byte(d.Hex()[:32])
	h[12], h[16] = '8', '8'
	return fmt.Sprintf("urn:uuid:%s-%s-%s-%s-%s", h[:8], h[8:12], h[12:16], h[16:20], h[20:])
}
