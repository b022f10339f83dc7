package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"deadpixel/ui"
)

// minPassword is the shortest password taken (NIST SP 800-63B, 5.1.1.2).
const minPassword = 8

func passwordCommand(in io.Reader) *cobra.Command {
	return &cobra.Command{
		Use:   "password",
		Short: "Ask for a password and print the line for [web] password_hash",
		Args:  usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			secret, err := readPassword(in, c.ErrOrStderr())
			if err != nil {
				return err
			}
			hash, err := ui.HashPassword(secret)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "password_hash = %q\n", hash)
			return nil
		},
	}
}

// readPassword asks twice on a terminal, without echo, and reads one line from
// anything else.
func readPassword(in io.Reader, prompt io.Writer) (string, error) {
	secret := ""
	if f, ok := in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		var typed [2]string
		for i, text := range []string{"Password: ", "Again: "} {
			fmt.Fprint(prompt, text)
			b, err := term.ReadPassword(int(f.Fd()))
			fmt.Fprintln(prompt)
			if err != nil {
				return "", err
			}
			typed[i] = string(b)
		}
		if typed[0] != typed[1] {
			return "", errors.New("the two passwords differ; nothing is printed")
		}
		secret = typed[0]
	} else {
		line, err := bufio.NewReader(io.LimitReader(in, 4096)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
		secret = strings.TrimRight(line, "\r\n")
	}
	if len(secret) < minPassword {
		return "", fmt.Errorf("the password needs at least %d characters", minPassword)
	}
	return secret, nil
}
