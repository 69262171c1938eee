package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// leave starts a process that never ends, which holds the output open.
func leave(ownSession bool) error {
	c := exec.Command("/proc/self/exe", "-hang")
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: ownSession}
	return c.Start()
}

// others counts the other processes whose command line has text in it.
func others(text string) (n int) {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		line, _ := os.ReadFile(file)
		if filepath.Base(filepath.Dir(file)) != strconv.Itoa(os.Getpid()) && strings.Contains(string(line), text) {
			n++
		}
	}
	return n
}

// talk is a very simple shell.
func talk() (status int) {
	size, err := unix.IoctlGetWinsize(0, unix.TIOCGWINSZ)
	if err != nil {
		fmt.Println("no terminal:", err)
		return 1
	}
	fmt.Printf("%dx%d %s\n", size.Col, size.Row, os.Getenv("TERM"))
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "exit "); ok {
			status, _ = strconv.Atoi(text)
			return status
		}
		fmt.Println("said", lines.Text())
	}
	return 0
}
