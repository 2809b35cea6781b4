import java.io.BufferedReader;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.RandomAccessFile;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.channels.Channels;
import java.nio.charset.StandardCharsets;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.apache.commons.net.ftp.FTP;
import org.apache.commons.net.ftp.FTPClient;
import org.apache.commons.net.ftp.FTPFile;
import org.apache.commons.net.ftp.FTPSClient;

/** Apache commons-net behind the line protocol of driver_test.go. */
public final class Driver {
    private final FTPClient ftp;

    private Driver(FTPClient ftp) {
        this.ftp = ftp;
    }

    public static void main(String[] args) throws Exception {
        String host = args[0];
        int port = Integer.parseInt(args[1]);
        String mode = args[5];
        String version = args[6].substring(1);
        String prot = args[7].substring(1);
        FTPClient ftp = mode.equals("plain") ? new FTPClient() : secure(mode, args[4], version);
        ftp.setControlEncoding("UTF-8");
        ftp.setConnectTimeout(20_000);
        ftp.setDefaultTimeout(30_000);
        ftp.setDataTimeout(Duration.ofSeconds(30));
        ftp.connect(host, port);
        Driver d = new Driver(ftp);
        d.check(ftp.login(args[2], args[3]));
        if (!mode.equals("plain") && !prot.isEmpty()) {
            d.protect(prot);
        }
        ftp.enterLocalPassiveMode();
        d.check(ftp.setFileType(FTP.BINARY_FILE_TYPE));
        d.serve();
        d.check(ftp.logout());
        ftp.disconnect();
    }

    private static FTPSClient secure(String mode, String ca, String version) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (InputStream in = new FileInputStream(ca)) {
            store.setCertificateEntry("server", CertificateFactory.getInstance("X.509").generateCertificate(in));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        FTPSClient ftps = new FTPSClient(mode.equals("implicit"), context);
        ftps.setTrustManager(null);
        ftps.setEndpointCheckingEnabled(true);
        ftps.setEnabledProtocols(new String[] {"TLSv" + version});
        return ftps;
    }

    private void protect(String prot) throws IOException {
        ((FTPSClient) ftp).execPBSZ(0);
        ((FTPSClient) ftp).execPROT(prot);
    }

    /** Obeys lines until the end of standard input. */
    private void serve() throws IOException {
        PrintStream out = new PrintStream(System.out, true, "UTF-8");
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        out.println("ok");
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            List<String> words = new ArrayList<>();
            for (String word : line.split(" ")) {
                words.add(URLDecoder.decode(word, StandardCharsets.UTF_8));
            }
            StringBuilder answer = new StringBuilder();
            try {
                answer.append("ok");
                for (String result : obey(words)) {
                    answer.append(' ').append(URLEncoder.encode(result, StandardCharsets.UTF_8));
                }
            } catch (IOException e) {
                answer.setLength(0);
                answer.append("err ").append(URLEncoder.encode(e.toString(), StandardCharsets.UTF_8));
            }
            out.println(answer);
        }
    }

    private List<String> obey(List<String> words) throws IOException {
        switch (words.get(0)) {
            case "put" -> put(words.get(1), words.get(2), 0);
            case "get" -> get(words.get(1), words.get(2), false);
            case "resumeput" -> put(words.get(1), words.get(2), ftp.mlistFile(words.get(2)).getSize());
            case "resumeget" -> get(words.get(1), words.get(2), true);
            case "list" -> {
                return names(words.get(1));
            }
            case "rename" -> check(ftp.rename(words.get(1), words.get(2)));
            case "remove" -> check(ftp.deleteFile(words.get(1)));
            case "mkdir" -> check(ftp.makeDirectory(words.get(1)));
            case "rmdir" -> check(ftp.removeDirectory(words.get(1)));
            case "noop" -> check(ftp.sendNoOp());
            case "protect" -> protect(words.get(1));
            default -> throw new IOException("unknown verb " + words.get(0));
        }
        return List.of();
    }

    private void put(String local, String remote, long at) throws IOException {
        try (RandomAccessFile file = new RandomAccessFile(local, "r")) {
            file.seek(at);
            ftp.setRestartOffset(at);
            check(ftp.storeFile(remote, Channels.newInputStream(file.getChannel())));
        }
    }

    private void get(String remote, String local, boolean resume) throws IOException {
        try (FileOutputStream file = new FileOutputStream(local, resume)) {
            ftp.setRestartOffset(file.getChannel().size());
            check(ftp.retrieveFile(remote, (OutputStream) file));
        }
    }

    private List<String> names(String dir) throws IOException {
        List<String> names = new ArrayList<>();
        FTPFile[] files = ftp.mlistDir(dir);
        check(true);
        for (FTPFile file : files) {
            if (!file.getName().equals(".") && !file.getName().equals("..")) {
                names.add(file.getName());
            }
        }
        return names;
    }

    /** Turns a refusal into an exception that holds the server's reply. */
    private void check(boolean done) throws IOException {
        if (!done || ftp.getReplyCode() >= 400) {
            throw new IOException(ftp.getReplyString());
        }
    }
}
