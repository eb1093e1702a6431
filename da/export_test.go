package da

// ReadManifest reads a manifest and writes it again.
func ReadManifest(src []byte, objectMax, blobMax int) ([]byte, error) {
	m, err := readManifest(src, objectMax, blobMax)
	if err != nil {
		return nil, err
	}
	return m.appendBinary(nil), nil
}

// ReadPart reads part i of a manifest.
func ReadPart(manifest []byte, i int, blob []byte) ([]byte, error) {
	m, err := readManifest(manifest, 1<<20, 1<<20)
	if err != nil {
		return nil, err
	}
	return m.readPart(i, blob)
}
