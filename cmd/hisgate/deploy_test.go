package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/hisgate/hisgate/deploy/systemd"
)

const deployed = "../../deploy"

// composeFile is what deploy/compose.yaml may have: a key that is not here is a
// slip.
type composeFile struct {
	Services map[string]struct {
		Image string `yaml:"image"`
		Build struct {
			Context    string `yaml:"context"`
			Dockerfile string `yaml:"dockerfile"`
		} `yaml:"build"`
		Restart     string            `yaml:"restart"`
		StopGrace   time.Duration     `yaml:"stop_grace_period"`
		Environment map[string]string `yaml:"environment"`
		Ports       []string          `yaml:"ports"`
		Volumes     []string          `yaml:"volumes"`
		ReadOnly    bool              `yaml:"read_only"`
		Tmpfs       []string          `yaml:"tmpfs"`
		CapDrop     []string          `yaml:"cap_drop"`
		SecurityOpt []string          `yaml:"security_opt"`
		Ulimits     map[string]int    `yaml:"ulimits"`
		MemLimit    string            `yaml:"mem_limit"`
		Healthcheck struct {
			Test        []string      `yaml:"test"`
			Interval    time.Duration `yaml:"interval"`
			Timeout     time.Duration `yaml:"timeout"`
			StartPeriod time.Duration `yaml:"start_period"`
		} `yaml:"healthcheck"`
		Logging struct {
			Driver  string            `yaml:"driver"`
			Options map[string]string `yaml:"options"`
		} `yaml:"logging"`
	} `yaml:"services"`
	Volumes map[string]struct{} `yaml:"volumes"`
}

// The settings of deploy/compose.yaml are settings, its ports are those listened
// on, open to this host alone, and the folder is a volume.
func TestComposeFileFitsTheConfiguration(t *testing.T) {
	var f composeFile
	strictYAML(t, "compose.yaml", &f)
	s, ok := f.Services["hisgate"]
	if !ok {
		t.Fatal("no service hisgate")
	}
	c := Default()
	where := map[string]string{}
	var environ []string
	for k, v := range s.Environment {
		environ = append(environ, k+"="+v)
	}
	if err := fromEnviron(&c, settingsOf(reflect.TypeFor[Config](), ""), environ, where); err != nil {
		t.Fatal(err)
	}
	k := &checker{where: where}
	c.validateListen(k)
	if err := errors.Join(k.errs...); err != nil {
		t.Errorf("hisgate would not start: %v", err)
	}
	var listened []string
	for _, a := range []string{c.Listen.GRPC, c.Listen.HTTP, c.Listen.Webhook, c.Listen.Ops} {
		_, port, err := net.SplitHostPort(a)
		if err != nil {
			t.Fatal(err)
		}
		listened = append(listened, "127.0.0.1:"+port+":"+port)
	}
	if !slices.Equal(listened, s.Ports) {
		t.Errorf("published are %q, listened on is %q", s.Ports, listened)
	}
	if s.StopGrace <= c.ShutdownTimeout {
		t.Errorf("stop_grace_period %s is not more than shutdown_timeout %s", s.StopGrace, c.ShutdownTimeout)
	}
	if want := []string{"CMD", "/usr/local/bin/hisgate", "health", "-c", "/etc/hisgate/hisgate.yaml"}; !slices.Equal(s.Healthcheck.Test, want) {
		t.Errorf("its health is asked for by %q", s.Healthcheck.Test)
	}
	if _, ok := f.Volumes["data"]; !ok || !slices.Contains(s.Volumes, "data:"+c.DataDir) {
		t.Errorf("%s is not a volume: %q", c.DataDir, s.Volumes)
	}
	if _, err := os.Stat(filepath.Join(deployed, s.Build.Context, s.Build.Dockerfile)); err != nil {
		t.Error(err)
	}
}

// kubernetesObject is any of the objects of sidecar.yaml, as far as it is used
// there: other keys are slips.
type kubernetesObject struct {
	APIVersion string            `yaml:"apiVersion"`
	Kind       string            `yaml:"kind"`
	Metadata   kubernetesMeta    `yaml:"metadata"`
	Data       map[string]string `yaml:"data"`
	Spec       struct {
		ServiceName string `yaml:"serviceName"`
		Replicas    int    `yaml:"replicas"`
		Selector    any    `yaml:"selector"`
		Ports       []struct {
			Name       string `yaml:"name"`
			Port       int    `yaml:"port"`
			TargetPort string `yaml:"targetPort"`
		} `yaml:"ports"`
		Template struct {
			Metadata kubernetesMeta `yaml:"metadata"`
			Spec     podSpec        `yaml:"spec"`
		} `yaml:"template"`
		Claims []struct {
			Metadata kubernetesMeta `yaml:"metadata"`
			Spec     struct {
				AccessModes []string `yaml:"accessModes"`
				Resources   struct {
					Requests map[string]string `yaml:"requests"`
				} `yaml:"resources"`
			} `yaml:"spec"`
		} `yaml:"volumeClaimTemplates"`
	} `yaml:"spec"`
}

type kubernetesMeta struct {
	Name   string            `yaml:"name"`
	Labels map[string]string `yaml:"labels"`
}

type podSpec struct {
	Grace           int            `yaml:"terminationGracePeriodSeconds"`
	Token           *bool          `yaml:"automountServiceAccountToken"`
	SecurityContext map[string]any `yaml:"securityContext"`
	InitContainers  []container    `yaml:"initContainers"`
	Containers      []container    `yaml:"containers"`
	ServiceLinks    *bool          `yaml:"enableServiceLinks"`
	Volumes         []struct {
		Name      string            `yaml:"name"`
		ConfigMap map[string]any    `yaml:"configMap"`
		Secret    map[string]any    `yaml:"secret"`
		EmptyDir  map[string]string `yaml:"emptyDir"`
	} `yaml:"volumes"`
}

type container struct {
	Name    string   `yaml:"name"`
	Image   string   `yaml:"image"`
	Restart string   `yaml:"restartPolicy"`
	Args    []string `yaml:"args"`
	Env     []struct {
		Name  string `yaml:"name"`
		Value string `yaml:"value"`
	} `yaml:"env"`
	Ports []struct {
		Name string `yaml:"name"`
		Port int    `yaml:"containerPort"`
	} `yaml:"ports"`
	Startup   podProbe `yaml:"startupProbe"`
	Liveness  podProbe `yaml:"livenessProbe"`
	Readiness podProbe `yaml:"readinessProbe"`
	Lifecycle struct {
		PreStop struct {
			Sleep struct {
				Seconds int `yaml:"seconds"`
			} `yaml:"sleep"`
		} `yaml:"preStop"`
	} `yaml:"lifecycle"`
	Resources       map[string]map[string]string `yaml:"resources"`
	SecurityContext struct {
		Escalation   *bool `yaml:"allowPrivilegeEscalation"`
		ReadOnly     bool  `yaml:"readOnlyRootFilesystem"`
		Capabilities struct {
			Drop []string `yaml:"drop"`
		} `yaml:"capabilities"`
	} `yaml:"securityContext"`
	Mounts []struct {
		Name      string `yaml:"name"`
		MountPath string `yaml:"mountPath"`
		ReadOnly  bool   `yaml:"readOnly"`
	} `yaml:"volumeMounts"`
}

type podProbe struct {
	HTTPGet          struct{ Path, Port string } `yaml:"httpGet"`
	PeriodSeconds    int                         `yaml:"periodSeconds"`
	TimeoutSeconds   int                         `yaml:"timeoutSeconds"`
	FailureThreshold int                         `yaml:"failureThreshold"`
}

// The configuration in sidecar.yaml is one that hisgate takes, its command line
// is one, the probes ask where hisgate answers, the data outlives the pod, and
// there is time to end in order.
func TestKubernetesManifestsFitTheConfiguration(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join(deployed, "kubernetes/sidecar.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	byKind := map[string]kubernetesObject{}
	for _, part := range regexp.MustCompile(`(?m)^---\n`).Split(string(doc), -1) {
		var o kubernetesObject
		if err := yaml.Load([]byte(part), &o, yaml.WithKnownFields()); err != nil {
			t.Fatal(err)
		}
		byKind[o.Kind] = o
	}
	c := Default()
	if err := overlay(&c, []byte(byKind["ConfigMap"].Data["hisgate.yaml"]), "hisgate.yaml", func(line int) string { return fmt.Sprint(line) }, map[string]string{}); err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(nil); err != nil {
		for _, e := range parts(err) { // the keys of the site are not here
			if !strings.Contains(e.Error(), "_file: open /run/secrets/hisgate/") {
				t.Error(e)
			}
		}
	}
	set := byKind["StatefulSet"].Spec
	pod := set.Template.Spec
	i := slices.IndexFunc(pod.InitContainers, func(c container) bool { return c.Name == "hisgate" && c.Restart == "Always" })
	if i < 0 || set.Replicas != 1 || len(pod.Containers) != 1 {
		t.Fatalf("%d replicas of %+v beside %+v", set.Replicas, pod.InitContainers, pod.Containers)
	}
	us := pod.InitContainers[i]
	if !slices.Equal(us.Args, []string{"serve", "-c", "/etc/hisgate/hisgate.yaml"}) {
		t.Errorf("args %q", us.Args)
	}
	if need := us.Lifecycle.PreStop.Sleep.Seconds + int(c.ShutdownTimeout.Seconds()); pod.Grace <= need {
		t.Errorf("terminationGracePeriodSeconds %d; preStop and shutdown_timeout need %d", pod.Grace, need)
	}
	for _, p := range us.Ports {
		addr := map[string]string{"ops": c.Listen.Ops, "webhook": c.Listen.Webhook}[p.Name]
		if want := fmt.Sprintf("0.0.0.0:%d", p.Port); addr != want {
			t.Errorf("port %s is %s, hisgate listens on %q", p.Name, want, addr)
		}
	}
	for what, path := range map[string]string{us.Startup.HTTPGet.Path: "/livez", us.Liveness.HTTPGet.Path: "/livez", us.Readiness.HTTPGet.Path: "/readyz"} {
		if what != path {
			t.Errorf("a probe asks for %q, want %q", what, path)
		}
	}
	for _, p := range []podProbe{us.Startup, us.Liveness, us.Readiness} {
		if p.HTTPGet.Port != "ops" {
			t.Errorf("a probe asks at port %q", p.HTTPGet.Port)
		}
	}
	mounted := map[string]string{}
	for _, m := range us.Mounts {
		mounted[m.MountPath] = m.Name
	}
	if len(set.Claims) != 1 || mounted[c.DataDir] != set.Claims[0].Metadata.Name {
		t.Errorf("%s is mounted from %q, which is no claim", c.DataDir, mounted[c.DataDir])
	}
	if dir := filepath.Dir(c.WeChat.MerchantKeyFile); mounted[dir] != "keys" {
		t.Errorf("no keys are mounted at %s", dir)
	}
	if us.SecurityContext.Escalation == nil || *us.SecurityContext.Escalation || !us.SecurityContext.ReadOnly || pod.SecurityContext["runAsNonRoot"] != true {
		t.Errorf("security: %+v %+v", us.SecurityContext, pod.SecurityContext)
	}
}

// systemd itself likes the unit; it waits longer than hisgate may take to end.
func TestSystemdUnit(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(deployed, "systemd/hisgate.service"))
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]string{}
	section := ""
	for i, line := range strings.Split(string(b), "\n") {
		name, value, ok := strings.Cut(line, "=")
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]"):
			section = line
		case !ok || section == "":
			t.Errorf("line %d: %q", i+1, line)
		default:
			values[name] = value
		}
	}
	if d, err := time.ParseDuration(values["TimeoutStopSec"] + "s"); err != nil || d <= Default().ShutdownTimeout {
		t.Errorf("TimeoutStopSec=%s is not more than shutdown_timeout", values["TimeoutStopSec"])
	}
	for name, want := range map[string]string{
		"ExecStart":      "/usr/local/bin/hisgate serve -c /etc/hisgate/hisgate.yaml",
		"ExecReload":     "/bin/kill -HUP $MAINPID",
		"Restart":        "on-failure",
		"Type":           "notify",
		"ProtectSystem":  "strict",
		"StateDirectory": "hisgate", // = /var/lib/hisgate, the data_dir of the example
	} {
		if values[name] != want {
			t.Errorf("%s=%s, want %s", name, values[name], want)
		}
	}
	verifyUnit(t, string(b))
}

var unitProgram = regexp.MustCompile(`(?m)^ExecStart=("[^"]*"|\S+)`)

// verifyUnit has systemd itself read a unit, with a program that is there: it knows
// every directive, and finds the service as shut in as it should be.
func verifyUnit(t *testing.T, unit string) {
	t.Helper()
	if said := analyzeUnit(t, unit, "verify", "--man=no"); said != "" {
		t.Errorf("%s\n%s", said, unit)
	}
	// Of 100: 0 is shut in, and a service without any of it has 96.
	if said := analyzeUnit(t, unit, "security", "--offline=yes", "--no-pager", "--threshold=15"); !strings.Contains(said, "Overall exposure level") || strings.Contains(said, "failed") {
		t.Errorf("%s\n%s", said, unit)
	}
}

// analyzeUnit is what systemd-analyze says of a unit.
func analyzeUnit(t *testing.T, unit string, how ...string) string {
	t.Helper()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed (Debian: apt-get install systemd)")
	}
	file := filepath.Join(t.TempDir(), "hisgate.service")
	if err := os.WriteFile(file, []byte(unitProgram.ReplaceAllString(unit, "ExecStart=/bin/true")), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(analyze, append(how, file)...).CombinedOutput()
	if err != nil {
		return fmt.Sprintf("systemd-analyze %s failed: %v\n%s", how[0], err, out)
	}
	return string(out)
}

// What systemd does not know it passes over with a word, and a service that is not
// shut in is one all the same: both are noticed here.
func TestSystemdAnalyzeNoticesSlips(t *testing.T) {
	unit := systemd.Unit()
	for slip, spoilt := range map[string]string{
		"ProtectSytem":           strings.Replace(unit, "ProtectSystem=", "ProtectSytem=", 1),
		"RestrictRealtime=maybe": strings.Replace(unit, "RestrictRealtime=yes", "RestrictRealtime=maybe", 1),
	} {
		if said := analyzeUnit(t, spoilt, "verify", "--man=no"); said == "" {
			t.Errorf("%s is not noticed", slip)
		}
	}
	open := strings.Replace(unit, "ProtectSystem=strict\n", "", 1)
	open = strings.Replace(open, "CapabilityBoundingSet=\n", "", 1)
	if said := analyzeUnit(t, open, "security", "--offline=yes", "--no-pager", "--threshold=15"); !strings.Contains(said, "failed") {
		t.Errorf("a service with all capabilities is shut in enough:\n%s", said)
	}
}

// The installer may be run twice, keeps what the site has written, and keeps the
// program that it replaces.
func TestInstallerMayBeRunAgain(t *testing.T) {
	from, root := t.TempDir(), t.TempDir()
	lay := func(name, text string) {
		t.Helper()
		file := filepath.Join(from, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	for to, name := range map[string]string{"install.sh": deployed + "/install.sh", "deploy/systemd/hisgate.service": deployed + "/systemd/hisgate.service", "hisgate.example.yaml": "../../hisgate.example.yaml"} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		lay(to, string(b))
	}
	install := func(version string) {
		t.Helper()
		lay("hisgate", "#!/bin/sh\n# "+version+"\necho hisgate stand-in\n")
		cmd := exec.Command("sh", filepath.Join(from, "install.sh"))
		cmd.Env = append(plainEnv(), "DESTDIR="+root)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	install("one")
	install("one")
	kept := filepath.Join(root, "etc/hisgate/hisgate.yaml")
	if err := os.WriteFile(kept, []byte("ours"), 0o600); err != nil {
		t.Fatal(err)
	}
	install("two")
	for name, want := range map[string]string{
		"usr/local/bin/hisgate": "# two", "usr/local/bin/hisgate.previous": "# one",
		"etc/hisgate/hisgate.yaml": "ours", "etc/systemd/system/hisgate.service": "[Service]", "etc/hisgate/hisgate.example.yaml": "data_dir: /var/lib/hisgate",
	} {
		b, err := os.ReadFile(filepath.Join(root, name))
		if err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%s has no %q: %v", name, want, err)
		}
	}
}

// nginx lets through the two paths that hisgate listens to, and the Dockerfile
// opens the ports of the defaults.
func TestNginxAndDockerfileNameWhatThereIs(t *testing.T) {
	for file, texts := range map[string][]string{
		"nginx/callbacks.conf": {"location = " + paymentPath + " ", "location = " + refundPath + " ", "location / { return 404; }"},
		"Dockerfile":           {"FROM scratch", "USER 10001:10001", "EXPOSE 9090 8080 8081 9091", `CMD ["serve", "-c", "/etc/hisgate/hisgate.yaml"]`, "golang:" + goVersion(t)},
	} {
		b, err := os.ReadFile(filepath.Join(deployed, file))
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range texts {
			if !strings.Contains(string(b), text) {
				t.Errorf("%s does not say %q", file, text)
			}
		}
	}
}

// goVersion is the Go of go.mod, as 1.26.
func goVersion(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(b)
	if m == nil {
		t.Fatal("go.mod names no Go")
	}
	return string(m[1])
}

// strictYAML reads the one document of a file of deploy/.
func strictYAML(t *testing.T, name string, into any) {
	t.Helper()
	f, err := os.Open(filepath.Join(deployed, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Load(b, into, yaml.WithKnownFields()); err != nil {
		t.Fatal(err)
	}
}
