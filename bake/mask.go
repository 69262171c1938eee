package bake

type mask struct{}
