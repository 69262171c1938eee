package local_test

const victimDir = "SLIPWAY_LOCAL_TEST_VICTIM"

func victim(string) {}
