//go:build interop

package interop

import (
	"path/filepath"
	"strconv"
)

const commonsNetJar = "/usr/share/java/commons-net.jar"

// commonsNetClasses is where the compiled driver lies.
func commonsNetClasses() string { return filepath.Join(scratch.dir, "classes") }

// prepareCommonsNet compiles testdata/Driver.java.
func prepareCommonsNet() error {
	_, err := proc{name: "javac", args: []string{
		"-Xlint:all", "-Werror", "-cp", commonsNetJar, "-d", commonsNetClasses(), testdata("Driver.java"),
	}}.run()
	return err
}

func openCommonsNet(srv *server, s setup) (client, error) {
	d, err := startCommonsNet(srv, s)
	if err != nil {
		return nil, err
	}
	return d, nil
}

// startCommonsNet logs in. With an empty protection level the driver sends
// neither PBSZ nor PROT.
func startCommonsNet(srv *server, s setup) (*driver, error) {
	return startDriver("java", "-Xmx64m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dfile.encoding=UTF-8",
		"-cp", commonsNetJar+":"+commonsNetClasses(), "Driver",
		host, strconv.Itoa(srv.ports[s.mode]), user, password, srv.ca, string(s.mode), "v"+s.tls, "p"+s.prot)
}
