import java.nio.file.Path;
import java.util.Map;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.node.InternalSettingsPreparer;
import org.elasticsearch.node.Node;

/**
 * The node of a distribution without the checks of its start: on an address that others reach it wants more open files than some
 * machines allow. Its only argument is the distribution's folder.
 */
public final class Launch {
    public static void main(String[] arguments) throws Exception {
        Settings settings = Settings.builder().put("path.home", arguments[0]).build();
        new Node(InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), Path.of(arguments[0], "config"), () -> "node")).start();
        Thread.currentThread().join();
    }
}
