// Probe is what the tests run in containers. It does what its arguments say.
package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

var resized = make(chan os.Signal, 1)

func window() bool {
	w, err := unix.IoctlGetWinsize(0, unix.TIOCGWINSZ)
	if err != nil {
		fmt.Println(err)
		return false
	}
	fmt.Printf("%dx%d\n", w.Col, w.Row)
	return true
}

func main() {
	var n int
	if len(os.Args) > 2 {
		n, _ = strconv.Atoi(os.Args[2])
	}
	switch os.Args[1] {
	case "env":
		fmt.Println(os.Getenv(os.Args[2]))
	case "exit":
		os.Exit(n)
	case "cat":
		io.Copy(os.Stdout, os.Stdin)
	case "read":
		if _, err := os.ReadFile(os.Args[2]); err != nil {
			os.Exit(1)
		}
	case "write":
		if err := os.WriteFile(os.Args[2], nil, 0o600); err != nil {
			os.Exit(1)
		}
	case "abort":
		panic("aborted")
	case "links":
		links, _ := net.Interfaces()
		for _, l := range links {
			if l.Flags&net.FlagUp != 0 {
				fmt.Println(l.Name)
			}
		}
	case "id":
		fmt.Println(os.Getuid(), os.Getgid())
	case "netns":
		name, _ := os.Readlink("/proc/self/ns/net")
		fmt.Println(name)
	case "userns":
		fmt.Println(syscall.Unshare(syscall.CLONE_NEWUSER))
	case "eat": // MiB
		var held [][]byte
		for range n {
			b := make([]byte, 1<<20)
			for i := 0; i < len(b); i += 4096 {
				b[i] = 1
			}
			held = append(held, b)
		}
		fmt.Println(len(held))
	case "fork":
		var children []*exec.Cmd
		for range n {
			c := exec.Command(os.Args[0], "cat")
			in, _ := c.StdinPipe()
			if err := c.Start(); err != nil {
				os.Exit(1)
			}
			defer in.Close()
			children = append(children, c)
		}
		fmt.Println(len(children))
	case "terminal": // tells its window, then says every line again, until "exit N"
		signal.Notify(resized, unix.SIGWINCH)
		for lines := bufio.NewScanner(os.Stdin); window() && lines.Scan(); {
			if status, ok := strings.CutPrefix(lines.Text(), "exit "); ok {
				n, _ = strconv.Atoi(status)
				os.Exit(n)
			}
			if lines.Text() == "resized" {
				<-resized
			}
			fmt.Println("said", lines.Text())
		}
	case "sleep":
		fmt.Println("sleeping")
		time.Sleep(time.Hour)
	}
}
